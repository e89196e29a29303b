import { createLogger, errorForLog, type Logger } from '@pulsemesh/base';
import type { NodeConfig } from '../config/node-config.ts';
import { createRotatingFile } from './rotating-file.ts';

/** Tells the supervisor, or whoever reads standard output, one thing. */
export function writeMessage(message: { readonly type: string } & Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** JSON lines to the configured file, which is kept within bounds, or to standard error. */
export function createNodeLogger(config: Pick<NodeConfig, 'log' | 'name'>): Logger {
  const { level, file } = config.log;
  const destination =
    file === undefined ? { write: (line: string) => void process.stderr.write(line) } : createRotatingFile({ file });
  return createLogger({ level, fields: { node: config.name } }, destination);
}

/** A failed assertion, or a promise that nobody watched, stops the node: going on could do harm. */
export function stopOnBugs(logger: Logger): void {
  const stop = (error: unknown) => {
    const facts = errorForLog(error);
    logger.error('a bug stops the node', facts);
    process.stderr.write(`${facts.code}: ${facts.text}\n`);
    process.exit(70);
  };
  process.on('uncaughtException', stop);
  process.on('unhandledRejection', stop);
}
