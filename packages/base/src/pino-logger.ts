import { pino } from 'pino';
import type { LogFields, Logger, LogLevel } from './logger.ts';

/** One JSON object a line (pino) to `destination`, default standard output. */
export function createLogger(
  options: { readonly level: LogLevel; readonly fields?: LogFields },
  destination?: { write(line: string): void },
): Logger {
  const settings = { level: options.level, base: options.fields ?? {}, timestamp: pino.stdTimeFunctions.isoTime };
  return wrap(destination === undefined ? pino(settings) : pino(settings, destination));
}

function wrap(inner: pino.Logger): Logger {
  return {
    error: (message, fields) => inner.error(fields ?? {}, message),
    warn: (message, fields) => inner.warn(fields ?? {}, message),
    info: (message, fields) => inner.info(fields ?? {}, message),
    debug: (message, fields) => inner.debug(fields ?? {}, message),
    child: (fields) => wrap(inner.child(fields)),
  };
}
