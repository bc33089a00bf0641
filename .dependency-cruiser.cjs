/** The layer rule of ARCHITECTURE.md, enforced: core <- api, core <- runtime <- cli; connectors see core only; testing sees all. */
const inside = (folder) => `^packages/tidemark/src/${folder}/`
const rule = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to })

module.exports = {
  forbidden: [
    rule(
      'no-circular',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
      'Modules form no cycle (type-only imports aside).',
    ),
    rule(
      'core-is-the-bottom',
      { path: inside('core') },
      { pathNot: inside('core'), path: '^packages/' },
      'core imports nothing else.',
    ),
    rule(
      'core-has-no-node',
      { path: inside('core'), pathNot: '\\.test\\.ts$' },
      { dependencyTypes: ['core', 'npm'] },
      'core runs anywhere: no Node APIs, no packages.',
    ),
    rule(
      'api-sees-core',
      { path: inside('api'), pathNot: '\\.test(-d)?\\.ts$' },
      { path: '^packages/tidemark/src/', pathNot: '^packages/tidemark/src/(core|api)/' },
      'api sees core only.',
    ),
    rule(
      'connectors-see-core',
      { path: inside('connectors'), pathNot: '\\.test\\.ts$' },
      { path: '^packages/tidemark/src/', pathNot: '^packages/tidemark/src/(core|connectors)/' },
      'connectors see the contracts in core only.',
    ),
    rule(
      'runtime-direction',
      { path: inside('runtime'), pathNot: '\\.test\\.ts$' },
      { path: '^packages/tidemark/src/', pathNot: '^packages/tidemark/src/(core|runtime)/' },
      'runtime sees core only.',
    ),
    rule(
      'nothing-imports-testing',
      { path: '^packages/tidemark/src/(core|api|runtime|connectors|cli)/', pathNot: '\\.test\\.ts$' },
      { path: '^packages/tidemark/src/(testing/|index\\.ts)' },
      'nothing imports testing or the index.',
    ),
    rule(
      'nothing-imports-cli',
      { path: '^packages/tidemark/src/', pathNot: '(^packages/tidemark/src/cli/|\\.test\\.ts$)' },
      { path: inside('cli') },
      'nothing imports the cli.',
    ),
    rule(
      'packages-use-the-doors',
      { path: '^packages/(kafka|schema-registry)/src/', pathNot: '\\.test\\.ts$' },
      { path: '^packages/tidemark/src/', pathNot: '^packages/tidemark/src/(connector|index|testing/index)\\.ts$' },
      'Connector packages see what other authors see.',
    ),
    rule(
      'one-door-to-the-network',
      { path: '^packages/kafka/src/', pathNot: '^packages/kafka/src/client/' },
      { path: '^(node:)?(net|tls)$' },
      'Only the Kafka client speaks to brokers.',
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|node_modules)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.test.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@tidemark/source', 'import', 'node', 'default', 'types'],
    },
  },
}
