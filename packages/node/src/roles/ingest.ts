import { startIngestRole } from '@pulsemesh/vitals/roles/ingest';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** An ingest peer: the MQTT broker of the wearables. */
export async function startIngest(context: NodeContext): Promise<StartedRole> {
  const { config, deps, port, rpc, box, stack } = context;
  const { mqtt } = config;
  if (mqtt === undefined) throw new TypeError('ingest without mqtt settings'); // parseNodeConfig refuses it
  const [tables, people] = [await context.tables(), await context.people()];
  const role = await startIngestRole({ mqtt }, { ...deps, port, rpc, people, tables, box });
  stack.use(role);
  return { ports: { mqtt: Number(new URL(role.mqttUrl).port) } };
}
