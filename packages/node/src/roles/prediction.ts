import { createPredictor } from '@pulsemesh/vitals/model';
import { startPredictionRole } from '@pulsemesh/vitals/roles/prediction';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** A prediction peer: the shipped rhythm model, in process. */
export async function startPrediction({ deps, port, stack }: NodeContext): Promise<StartedRole> {
  const predictor = stack.use(await createPredictor({}, deps));
  stack.use(await startPredictionRole({}, { ...deps, port, predictor }));
  return {};
}
