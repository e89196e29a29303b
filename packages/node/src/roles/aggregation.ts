import { startAggregationRole } from '@pulsemesh/vitals/roles/aggregation';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** An aggregation peer: windows, predictions and alerts of the patients it holds. */
export async function startAggregation(context: NodeContext): Promise<StartedRole> {
  const { deps, port, rpc, box, stack } = context;
  const [tables, people, records] = [await context.tables(), await context.people(), await context.records()];
  const role = stack.use(await startAggregationRole({}, { ...deps, port, rpc, people, tables, box, records }));
  return {
    patientCount: () => role.status().patientsOwned,
    pending: () => {
      const { openWindows, logLength, alertsWaiting } = role.status();
      return openWindows + logLength + alertsWaiting;
    },
  };
}
