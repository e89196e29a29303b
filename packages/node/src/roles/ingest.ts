import { startIngestRole } from '@pulsemesh/vitals/roles/ingest';
import type { NodeContext, StartedRole } from '../process/node-context.ts';

/** An ingest peer: the MQTT broker of the wearables. */
export async function startIngest(context: NodeContext): Promise<StartedRole> {
  const { config, deps, port, rpc, box, stack } = context;
  const { mqtt } = config;
  if (mqtt === undefined) throw new TypeError('ingest without mqtt settings'); // parseNodeConfig refuses it
  const [tables, people] = [await context.tables(), await context.people()];
  const { readingsPerSecond } = mqtt;
  const role = stack.use(
    await startIngestRole(
      {
        mqtt: { host: mqtt.host, port: mqtt.port },
        ...(readingsPerSecond === undefined ? {} : { rate: { perSecond: readingsPerSecond } }),
      },
      { ...deps, port, rpc, people, tables, box },
    ),
  );
  return { ports: { mqtt: Number(new URL(role.mqttUrl).port) }, pending: () => role.status().batchesWaiting };
}
