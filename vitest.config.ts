import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@tidemark/source', 'node', 'import', 'module', 'default'] },
  ssr: { resolve: { conditions: ['@tidemark/source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    typecheck: { enabled: false },
  },
})
