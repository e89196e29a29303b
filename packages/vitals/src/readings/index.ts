export { codecLimits, decodeReading, decodeReadings, encodeReading, encodeReadings } from './codec.ts';
export { MessageRefusedError, ReadingCodecError, type RefusalCode, refusalCodes } from './errors.ts';
export { messageLimits, parseReadingMessage, parseUserId } from './message.ts';
export { type Reading, readingKey, type UserId, windowSeconds, windowStartSeconds } from './reading.ts';
export { assertWithinSkew, type DeviceKind, defaultSkewLimits, isWithinSkew, type SkewLimits } from './skew.ts';
