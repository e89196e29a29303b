export { raceSignal, TimeoutError, type WaitOptions, withTimeout } from './abort.ts';
export { BoundedQueue, type BoundedQueueOptions, QueueClosedError, QueueFullError } from './bounded-queue.ts';
export type { Brand } from './brand.ts';
export { type Clock, createSystemClock, sleep, startTicker, type Ticker, type Timer } from './clock.ts';
export {
  AssertionError,
  assert,
  Condition,
  type ConditionOptions,
  type ErrorFacts,
  errorCode,
  errorForLog,
  errorMessage,
  unreachable,
} from './errors.ts';
export { type LogFields, type Logger, type LogLevel, silentLogger } from './logger.ts';
export {
  type Counter,
  type Gauge,
  type Histogram,
  type Labels,
  type Meter,
  type PrometheusMeter,
  silentMeter,
} from './meter.ts';
export { createRandomOf, createSeededRandom, createSystemRandom, type Random } from './random.ts';
