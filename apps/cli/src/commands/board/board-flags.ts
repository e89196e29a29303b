import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createSystemClock, createSystemRandom, errorMessage, silentLogger, silentMeter } from '@pulsemesh/base';
import { type AnyBoardEntry, BoardLiedError } from '@pulsemesh/board';
import { type BoardClient, type BoardPlace, formatEvidence, parsePolicyFile } from '@pulsemesh/board/client';
import { formatVerifierKey } from '@pulsemesh/board/verify';
import { dataDirectory } from '@pulsemesh/node';
import { writeFileAtomically } from '@pulsemesh/node/relay';
import type { Command } from 'commander';
import { type Output, printable, UsageError } from '../../output.ts';
import { type NetworkFlags, networkOf, withNetworkFlags } from '../agent-flags.ts';

/** How a command finds the board. */
export interface BoardFlags extends NetworkFlags {
  readonly policy?: string;
  readonly json?: boolean;
}

/** Adds them to a command. */
export function withBoardFlags(command: Command): Command {
  return withNetworkFlags(command)
    .option('--policy <file>', 'which board, and whom of it to believe (default: what `board init` wrote)')
    .option('--json', 'as JSON');
}

/** Where the policy is. What was verified, and evidence, lie beside it. */
export function policyFileOf(flags: Pick<BoardFlags, 'policy'>): string {
  return resolve(flags.policy ?? join(dataDirectory(), 'board', 'policy.json'));
}

/** @throws {UsageError} where there is none; {PolicyFileError}. */
export function readPolicy(flags: Pick<BoardFlags, 'policy'>): BoardPlace {
  const file = policyFileOf(flags);
  if (!existsSync(file)) {
    throw new UsageError('no board is known here: say which with `pulsemesh board init URL KEY`, or name a --policy');
  }
  return parsePolicyFile(readBoardFile(file).toString('utf8'));
}

/** What a command works with. */
export function boardDependencies() {
  return { clock: createSystemClock(), random: createSystemRandom(), logger: silentLogger, meter: silentMeter };
}

/**
 * Follows the board that the flags name, up to now, for `use`. When the board lied, the evidence is written to a file and told loudly.
 * @throws what following and `use` throw.
 */
export async function withBoard<Result>(
  flags: BoardFlags,
  output: Output,
  use: (board: BoardClient, place: BoardPlace) => Promise<Result>,
  options: { readonly followMs?: number } = {},
): Promise<Result> {
  const { openBoard } = await import('@pulsemesh/node/board');
  const place = readPolicy(flags);
  const directory = dirname(policyFileOf(flags));
  const settings = { ...place, dataDirectory: directory, network: networkOf(flags), followMs: options.followMs ?? 0 };
  await using board = await openBoard(settings, boardDependencies());
  try {
    await board.refresh();
    return await use(board, place);
  } catch (error) {
    if (error instanceof BoardLiedError) tellLie(error, join(directory, 'evidence.json'), place, output);
    throw error;
  }
}

function tellLie({ evidence }: BoardLiedError, file: string, { policy }: BoardPlace, output: Output): void {
  writeFileAtomically(file, formatEvidence(evidence, formatVerifierKey(policy.board)));
  output.err('*** THE BOARD LIED. Trust nothing of it from now on, and tell everybody who uses it. ***');
  output.err(`The evidence is in ${file}; anybody checks it with \`pulsemesh board verify-evidence\`.`);
}

/** A file of at most a megabyte. @throws {UsageError} */
export function readBoardFile(file: string): Buffer {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > fileBytesMax) throw new UsageError(`${file} is too long`);
    return bytes;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${file} cannot be read (${errorMessage(error)})`);
  }
}

const fileBytesMax = 1024 * 1024;

/** An entry by its index or the beginning of its id, of at least eight digits. @throws {UsageError} where there is none, or several. */
export function findEntry(board: BoardClient, name: string): AnyBoardEntry {
  const all = allEntries(board);
  const isId = /^[0-9a-f]{8,64}$/.test(name) && !/^\d{1,8}$/.test(name);
  const found = all.filter(({ index, id }) => (isId ? id.startsWith(name) : String(index) === name));
  const [only, another] = found;
  if (only === undefined) throw new UsageError('the board has no such entry; `pulsemesh board list` shows them');
  if (another !== undefined) throw new UsageError('several entries begin so: give more digits');
  return only;
}

/** Every entry there is, in order. */
export function allEntries(board: Pick<BoardClient, 'onEntry'>): readonly AnyBoardEntry[] {
  const all: AnyBoardEntry[] = [];
  using _listening = board.onEntry((entry) => all.push(entry));
  return all;
}

/** An entry as JSON: bytes in base64. */
export function entryToJson({ index, id, author, kind, createdMs, body }: AnyBoardEntry): string {
  const fields = { index, id, kind, author, created: new Date(createdMs).toISOString(), body };
  return JSON.stringify(fields, (_key, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value,
  );
}

/** One line about an entry: never longer than a line, never steering the terminal. */
export function summaryOf(entry: AnyBoardEntry): string {
  return printable(summary(entry)).slice(0, 100);
}

function summary(entry: AnyBoardEntry): string {
  switch (entry.kind) {
    case 'key':
      return `${entry.body.action} ${entry.body.name}`;
    case 'task':
    case 'announcement':
      return entry.body.title;
    case 'contract':
      return `${entry.body.action} ${entry.body.task.slice(0, 16)}`;
    case 'round':
      return `${entry.body.task.slice(0, 16)} round ${entry.body.round}.${entry.body.attempt} ${entry.body.step.name}`;
    case 'model':
    case 'evaluation':
      return entry.body.task.slice(0, 16);
    case 'anchor':
      return `${entry.body.about} ${entry.body.count}`;
    case 'catalogue':
      return `${entry.body.organisation}: ${entry.body.cohorts.length} cohorts`;
    case 'grant':
      return `${entry.body.step} ${entry.body.grant.slice(0, 16)}`;
  }
}
