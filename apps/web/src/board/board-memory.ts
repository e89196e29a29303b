import type { BoardPlaceView } from '@pulsemesh/node/api';
import type { Remembered } from './messages.ts';

const storageName = 'pulsemesh.board';
/** Longest record that is kept or read. */
const charactersMax = 400_000;

/** What this browser keeps of the board, so that the board and the gateway cannot show it another one tomorrow. */
export interface BoardMemory extends Remembered {
  readonly place: BoardPlaceView;
  /** When it looked last, wall time; null: never. */
  readonly seenMs: number | null;
  readonly size: number;
}

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** What is kept; null where there is nothing, or nothing that can be read. */
export function recallBoard(storage: Storage): BoardMemory | null {
  const text = storage.getItem(storageName);
  if (text === null || text.length > charactersMax) return null;
  try {
    const memory: unknown = JSON.parse(text);
    return isMemory(memory) ? memory : null;
  } catch {
    return null; // not ours
  }
}

/** Keeps it; evidence that is too long is left out. A full storage keeps what it has. */
export function rememberBoard(storage: Storage, memory: BoardMemory): void {
  const text = JSON.stringify(memory);
  try {
    storage.setItem(storageName, text.length > charactersMax ? JSON.stringify({ ...memory, evidence: null }) : text);
  } catch {
    // A browser that keeps nothing still shows the board.
  }
}

/** Whether both name the same board and the same people to believe. */
export function isSamePlace(one: BoardPlaceView, other: BoardPlaceView): boolean {
  const plain = ({ key, witnesses, quorum, authorities }: BoardPlaceView) =>
    JSON.stringify([key, [...witnesses].sort(), quorum, [...authorities].sort()]);
  return plain(one) === plain(other);
}

function isMemory(value: unknown): value is BoardMemory {
  if (typeof value !== 'object' || value === null) return false;
  const { place, note, evidence, seenMs, size } = value as Record<string, unknown>;
  const isText = (text: unknown) => text === null || typeof text === 'string';
  const isNumber = (number: unknown) => number === null || typeof number === 'number';
  return isPlace(place) && isText(note) && isText(evidence) && isNumber(seenMs) && typeof size === 'number';
}

function isPlace(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { key, witnesses, quorum, authorities } = value as Record<string, unknown>;
  const isTexts = (list: unknown) => Array.isArray(list) && list.every((text) => typeof text === 'string');
  return typeof key === 'string' && isTexts(witnesses) && typeof quorum === 'number' && isTexts(authorities);
}
