export * from './browser.ts';
export { createLogger } from './pino-logger.ts';
export { createPrometheusMeter } from './prometheus-meter.ts';
