import { sha256 } from '@pulsemesh/crypto';
import { DecodeError, toHex } from '@pulsemesh/wire';

/** How inputs are brought to one scale: (value − mean) × scale. A scale of 0 takes an input out. */
export interface Standardisation {
  readonly means: Float32Array;
  readonly scales: Float32Array;
}

/** What a round starts from and gives. All scales 0: the sites have not been asked yet, which the first round does. */
export interface ModelState extends Standardisation {
  readonly weights: Float32Array;
}

/** Means, scales and weights in single precision, little endian: the bytes that rounds hand on and models are. */
export function encodeState({ means, scales, weights }: ModelState): Uint8Array {
  const values = [...means, ...scales, ...weights];
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setFloat32(index * 4, value, true);
  return bytes;
}

/** @throws {DecodeError} when the bytes are not as many finite numbers. */
export function decodeState(
  bytes: Uint8Array,
  shape: { readonly inputs: number; readonly parameters: number },
): ModelState {
  const count = 2 * shape.inputs + shape.parameters;
  if (bytes.length !== count * 4) throw new DecodeError('a state of another length');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = Float32Array.from({ length: count }, (_, index) => view.getFloat32(index * 4, true));
  if (!values.every(Number.isFinite)) throw new DecodeError('a state with values that are no numbers');
  return {
    means: values.slice(0, shape.inputs),
    scales: values.slice(shape.inputs, 2 * shape.inputs),
    weights: values.slice(2 * shape.inputs),
  };
}

/** The name of a state: SHA-256 of its bytes, 64 lower-case hex digits, as `opened` and `closed` entries have it. */
export function stateHash(bytes: Uint8Array): string {
  return toHex(sha256(bytes));
}

export function isStandardised({ scales }: Standardisation): boolean {
  return scales.some((scale) => scale !== 0);
}
