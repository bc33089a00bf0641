/** Of the workspace: `npm run` starts there. */
export const ROOT = process.cwd()
