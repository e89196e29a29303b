export {
  type AckTimes,
  type Device,
  type DeviceDependencies,
  DeviceOffError,
  type DeviceOptions,
  type DeviceStatus,
  encodeMessage,
  startDevice,
} from './device.ts';
