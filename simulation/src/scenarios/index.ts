import { pipelineScenario } from './pipeline.ts';
import type { Scenario } from './scenario.ts';

/** All that can be simulated, in the order in which help lists it. */
export const scenarios: readonly Scenario[] = [pipelineScenario];
