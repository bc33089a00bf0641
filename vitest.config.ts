import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: { conditions: ['@tidemark/source', 'node', 'import', 'module', 'default'] },
  ssr: { resolve: { conditions: ['@tidemark/source', 'node', 'import', 'module', 'default'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'test/**/*.test.ts'],
    // Limits for what hangs, not for what is slow: with every core busy otherwise tests take seven times as long.
    testTimeout: 240_000,
    // The first test with a broker fetches Kafka.
    hookTimeout: 400_000,
    typecheck: { enabled: false },
  },
})
