export { parseArguments, type SimulateArguments, simulateUsage } from './arguments.ts';
export type { CheckResult } from './check.ts';
export type { Fault } from './faults.ts';
export { main as simulate } from './main.ts';
export { type PipelineOptions, type PipelineResult, pipelineDefaults, runPipeline } from './pipeline.ts';
