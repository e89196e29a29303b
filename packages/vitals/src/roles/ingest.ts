import { type MqttBrokerDependencies, type MqttBrokerOptions, startMqttBroker } from '../mqtt/broker.ts';
import {
  type IngestCoreDependencies,
  type IngestCoreOptions,
  type IngestCoreStatus,
  startIngestCore,
} from './ingest-core.ts';

export interface IngestOptions extends IngestCoreOptions {
  /** Where devices reach the broker, and its limits. */
  readonly mqtt?: MqttBrokerOptions;
}

export interface IngestDependencies extends IngestCoreDependencies {
  /** See {@link MqttBrokerDependencies.authenticate}. */
  readonly authenticate?: MqttBrokerDependencies['authenticate'];
}

/** What an operator wants to see. */
export interface IngestStatus extends IngestCoreStatus {
  readonly clientCount: number;
}

/** A running ingest. Dispose to stop; what is in the log goes on at the next start. */
export interface IngestRole extends AsyncDisposable {
  readonly mqttUrl: string;
  status(): IngestStatus;
  /** Takes nothing more and resolves when everything acknowledged has been handed on. Then dispose. */
  drain(): Promise<void>;
}

/**
 * Starts the ingest role: devices publish readings by MQTT, each is acknowledged once it is durable, and handed on to
 * storage and aggregation (docs/decisions/0001, steps 1 to 3).
 * @throws {MqttListenError}; {SealBrokenError} when the box is another than the log was sealed with.
 */
export async function startIngestRole(options: IngestOptions, dependencies: IngestDependencies): Promise<IngestRole> {
  await using stack = new AsyncDisposableStack();
  const core = stack.use(await startIngestCore(options, dependencies));
  const { onPublish, ids } = core;
  const broker = stack.use(await startMqttBroker(options.mqtt ?? {}, { ...dependencies, onPublish, ids }));
  const owned = stack.move();
  return {
    mqttUrl: broker.url,
    status: () => ({ clientCount: broker.clientCount, ...core.status() }),
    async drain() {
      await broker[Symbol.asyncDispose]();
      await core.drain();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
