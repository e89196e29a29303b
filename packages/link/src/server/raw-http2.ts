/** A frame of HTTP/2 (RFC 9113 §4.1). */
export function h2Frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Header fields, none indexed (RFC 7541 §6.2.2), pseudo ones first. */
export function literalHeaders(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers).sort(([one], [other]) => Number(other[0] === ':') - Number(one[0] === ':'));
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat(entries.map(([name, value]) => Buffer.concat([Buffer.from([0]), text(name), text(value)])));
}
