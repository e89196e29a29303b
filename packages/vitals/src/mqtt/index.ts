export {
  type AllowedUserIds,
  type DeviceLogin,
  defaultMqttLimits,
  type IncomingPublish,
  type MqttBroker,
  type MqttBrokerDependencies,
  type MqttBrokerOptions,
  type MqttLimits,
  MqttListenError,
  type OnPublish,
  type Refusal,
  startMqttBroker,
} from './broker.ts';
export { PacketTooLargeError } from './frame-guard.ts';
export { refusalTopic } from './refusal-topic.ts';
export type { IncomingIds } from './session-persistence.ts';
