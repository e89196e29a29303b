export type { CheckResult } from './check.ts';
export type { DeliveryPromise, DeliveryReport } from './checkers/delivery-book.ts';
export type { Fault } from './faults.ts';
export { type OverlayResult, OverlayRun, type OverlayRunOptions } from './fleet/run-overlay.ts';
export type { GossipsubVariant } from './gossipsub/host.ts';
export { type GossipsubOptions, runGossipsub } from './gossipsub/run-gossipsub.ts';
export { main as simulate, type SimulateOutput } from './main.ts';
export { type PipelineOptions, type PipelineResult, pipelineDefaults, runPipeline } from './pipeline.ts';
export { Quantiles } from './report/quantiles.ts';
export type { WorkloadFigures, WorkloadResult } from './workload/result.ts';
export {
  type Attack,
  type AttackKind,
  numberOf,
  payloadOf,
  planWorkload,
  topicNameOf,
  victims,
  type Workload,
  type WorkloadPlan,
} from './workload/workload.ts';
