import { attackScenarios } from './attack.ts';
import { churnScenario } from './churn.ts';
import { faultsScenario } from './faults.ts';
import { joinScenario } from './join.ts';
import { lanBridgeScenario } from './lan-bridge.ts';
import { partitionScenario } from './partition.ts';
import { pipelineScenario } from './pipeline.ts';
import { pubsubScenario } from './pubsub.ts';
import { ringsScenario } from './rings.ts';
import { samplingScenario } from './sampling.ts';
import type { Scenario } from './scenario.ts';
import { takeoverScenario } from './takeover.ts';

/** All that can be simulated, in the order in which help lists it. */
export const scenarios: readonly Scenario[] = [
  pipelineScenario,
  samplingScenario,
  joinScenario,
  ringsScenario,
  pubsubScenario,
  churnScenario,
  partitionScenario,
  lanBridgeScenario,
  ...attackScenarios,
  takeoverScenario,
  faultsScenario,
];
