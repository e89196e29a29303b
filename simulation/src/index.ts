export type { CheckResult } from './check.ts';
export type { Fault } from './faults.ts';
export { main as simulate, type SimulateOutput } from './main.ts';
export { type PipelineOptions, type PipelineResult, pipelineDefaults, runPipeline } from './pipeline.ts';
