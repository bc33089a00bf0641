export { type HeldTransaction, runKafkaTool, type ToolHost } from './kafka-tool.ts'
