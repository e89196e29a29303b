import { join } from 'node:path';
import { openServicePredictor } from '@pulsemesh/vitals/model';
import { startPredictionRole } from '@pulsemesh/vitals/roles/prediction';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** In a node's data directory: models that take over from the shipped ones. */
export const modelsFolder = 'models';

/** A prediction peer: the shipped rhythm model, or the one that was put into service since, in process. */
export async function startPrediction({ config, deps, port, stack }: NodeContext): Promise<StartedRole> {
  const predictor = stack.use(
    await openServicePredictor({ directory: join(config.dataDirectory, modelsFolder) }, deps),
  );
  stack.use(await startPredictionRole({}, { ...deps, port, predictor }));
  return {};
}
