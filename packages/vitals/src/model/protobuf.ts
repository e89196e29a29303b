import { Condition } from '@pulsemesh/base';
import { concatBytes } from '@pulsemesh/wire';

/** A model file that cannot be read. */
export class ModelFileError extends Condition {
  override readonly name = 'ModelFileError';
  constructor(what: string, options: { readonly cause?: unknown } = {}) {
    super('model-file-invalid', `the model file is not one of ours: ${what}`, { facts: { what }, ...options });
  }
}

/** Fields of a protobuf message that an ONNX file needs: integers, bytes (text, messages, arrays) and single floats. */
export type ProtobufField =
  | { readonly type: 'integer'; readonly number: number; readonly value: number }
  | { readonly type: 'bytes'; readonly number: number; readonly value: Uint8Array }
  | { readonly type: 'float'; readonly number: number; readonly value: number };

const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const fieldsMax = 10_000;

/** A field with a whole number, 0 … 2^53-1. */
export function integerField(number: number, value: number): Uint8Array {
  return concatBytes(varint(number * 8 + wireTypes.varint), varint(value));
}

/** A field with bytes, text or a message. */
export function bytesField(number: number, value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return concatBytes(varint(number * 8 + wireTypes.bytes), varint(bytes.length), bytes);
}

/**
 * The fields of a message in the order they come.
 * @throws {ModelFileError} for a message that ends within a field or has more than 10,000 of them.
 */
export function parseFields(bytes: Uint8Array): readonly ProtobufField[] {
  const fields: ProtobufField[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 49; shift += 7) {
      const byte = bytes[at];
      if (byte === undefined) throw new ModelFileError('it ends within a number');
      at += 1;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new ModelFileError('a number is too long');
  };
  while (at < bytes.length) {
    if (fields.length >= fieldsMax) throw new ModelFileError('too many fields');
    const tag = readVarint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === wireTypes.varint) {
      fields.push({ type: 'integer', number, value: readVarint() });
    } else if (wireType === wireTypes.bytes) {
      const length = readVarint();
      if (at + length > bytes.length) throw new ModelFileError('it ends within a field');
      fields.push({ type: 'bytes', number, value: bytes.subarray(at, at + length) });
      at += length;
    } else if (wireType === wireTypes.fixed32) {
      if (at + 4 > bytes.length) throw new ModelFileError('it ends within a field');
      fields.push({ type: 'float', number, value: view.getFloat32(at, true) });
      at += 4;
    } else {
      throw new ModelFileError('a field of an unknown type');
    }
  }
  return fields;
}

/** The bytes of all fields with this number. */
export function bytesOf(fields: readonly ProtobufField[], number: number): readonly Uint8Array[] {
  return fields.flatMap((field) => (field.type === 'bytes' && field.number === number ? [field.value] : []));
}

/** The text of the first field with this number, or an empty one. */
export function textOf(fields: readonly ProtobufField[], number: number): string {
  const bytes = bytesOf(fields, number)[0];
  return bytes === undefined ? '' : new TextDecoder().decode(bytes);
}

/** The whole numbers of all fields with this number. */
export function integersOf(fields: readonly ProtobufField[], number: number): readonly number[] {
  return fields.flatMap((field) => (field.type === 'integer' && field.number === number ? [field.value] : []));
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
