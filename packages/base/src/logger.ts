import { pino } from 'pino';

/** Fields of a log line. Opaque ids and numbers only: never a health value, a name or a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * A constant message plus fields. `error`: somebody must act; `warn`: soon; `info`: a rare change of
 * state; `debug`: the rest.
 */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each of its lines. */
  child(fields: LogFields): Logger;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'silent';

/** One JSON object a line (pino) to `destination`, default standard output. */
export function createLogger(
  options: { readonly level: LogLevel; readonly fields?: LogFields },
  destination?: { write(line: string): void },
): Logger {
  const settings = { level: options.level, base: options.fields ?? {}, timestamp: pino.stdTimeFunctions.isoTime };
  return wrap(destination === undefined ? pino(settings) : pino(settings, destination));
}

/** A logger that says nothing. */
export const silentLogger: Logger = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => silentLogger,
};

function wrap(inner: pino.Logger): Logger {
  return {
    error: (message, fields) => inner.error(fields ?? {}, message),
    warn: (message, fields) => inner.warn(fields ?? {}, message),
    info: (message, fields) => inner.info(fields ?? {}, message),
    debug: (message, fields) => inner.debug(fields ?? {}, message),
    child: (fields) => wrap(inner.child(fields)),
  };
}
