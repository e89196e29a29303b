import { createInterface } from 'node:readline/promises';
import { UsageError } from './output.ts';

/** The person at the terminal: for what must be asked, and for what must stand nowhere else. */
export interface Terminal {
  /** False where input or output is a file or a pipe. */
  readonly isInteractive: boolean;
  /** Shows a question, resolves with the line typed. */
  ask(question: string): Promise<string>;
  /** Shows a line to the person, past redirections that `isInteractive` rules out. */
  show(line: string): void;
  /** All of standard input, as text. @throws {UsageError} past {@link inputBytesMax}. */
  readInput(): Promise<string>;
}

/** More was not meant to be words or a card. */
export const inputBytesMax = 64 * 1024;

/** This process's terminal. */
export const processTerminal: Terminal = {
  get isInteractive() {
    return process.stdin.isTTY === true && process.stdout.isTTY === true;
  },
  async ask(question) {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await lines.question(question);
    } finally {
      lines.close();
    }
  },
  show: (line) => void process.stdout.write(`${line}\n`),
  async readInput() {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of process.stdin) {
      bytes += (chunk as Buffer).length;
      if (bytes > inputBytesMax) throw new UsageError('too much on standard input');
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString('utf8');
  },
};
