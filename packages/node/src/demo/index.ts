export { DataDirectoryInUseError } from './lock.ts';
export type { RunReport } from './report.ts';
export { type DemoDependencies, type DemoOptions, runDemo } from './run-demo.ts';
export { freshRunDirectory } from './run-directory.ts';
export { processNames } from './screen.ts';
