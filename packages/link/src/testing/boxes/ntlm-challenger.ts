import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createNTHashedPasswordV1 } from '@node-ntlm/core';

/** The server's side of NTLM, for one connection. */
export interface NtlmChallenger {
  /** Takes what came after `NTLM ` in Proxy-Authorization. */
  judge(token: string): { kind: 'challenge'; token: string } | { kind: 'accepted' } | { kind: 'refused' };
}

const signature = Buffer.from('NTLMSSP\0', 'latin1');
// Unicode, request target, NTLM, always sign, target is a domain, extended security, target info ([MS-NLMP] §2.2.2.5).
const challengeFlags = 0x1 | 0x4 | 0x200 | 0x8000 | 0x10000 | 0x80000 | 0x800000;

/**
 * Challenges, and checks the answer to be NTLMv2 of these credentials ([MS-NLMP] §3.3.2), computed here anew: nothing of the
 * client's is used but the hash of the password (MD4).
 */
export function createNtlmChallenger(wanted: {
  readonly username: string;
  readonly password: string;
  readonly domain?: string;
}): NtlmChallenger {
  let challenge: Buffer | undefined;
  return {
    judge(token) {
      const message = Buffer.from(token, 'base64');
      if (message.length < 12 || !message.subarray(0, 8).equals(signature)) return { kind: 'refused' };
      const type = message.readUInt32LE(8);
      if (type === 1) {
        challenge = randomBytes(8);
        return { kind: 'challenge', token: challengeMessage(challenge).toString('base64') };
      }
      const isRight = type === 3 && challenge !== undefined && isAnswer(message, challenge, wanted);
      challenge = undefined;
      return { kind: isRight ? 'accepted' : 'refused' };
    },
  };
}

function challengeMessage(challenge: Buffer): Buffer {
  const target = Buffer.from('HOSPITAL', 'utf16le');
  const pair = (id: number, value: Buffer) => Buffer.concat([uint16(id), uint16(value.length), value]);
  const info = Buffer.concat([pair(2, target), pair(1, Buffer.from('PROXY', 'utf16le')), pair(0, Buffer.alloc(0))]);
  const head = Buffer.alloc(48);
  signature.copy(head);
  head.writeUInt32LE(2, 8);
  writeField(head, 12, target.length, 48);
  head.writeUInt32LE(challengeFlags, 20);
  challenge.copy(head, 24);
  writeField(head, 40, info.length, 48 + target.length);
  return Buffer.concat([head, target, info]);
}

function isAnswer(
  message: Buffer,
  challenge: Buffer,
  wanted: { readonly username: string; readonly password: string; readonly domain?: string },
): boolean {
  const answer = field(message, 20);
  const domain = field(message, 28).toString('utf16le');
  const username = field(message, 36).toString('utf16le');
  if (answer.length < 32 || username !== wanted.username || domain !== (wanted.domain ?? '').toUpperCase())
    return false;
  const key = hmacMd5(
    createNTHashedPasswordV1(wanted.password),
    Buffer.from(`${username.toUpperCase()}${domain}`, 'utf16le'),
  );
  const expected = hmacMd5(key, Buffer.concat([challenge, answer.subarray(16)]));
  return timingSafeEqual(expected, answer.subarray(0, 16));
}

function field(message: Buffer, at: number): Buffer {
  const length = message.readUInt16LE(at);
  const offset = message.readUInt32LE(at + 4);
  return message.subarray(offset, offset + length);
}

function writeField(target: Buffer, at: number, length: number, offset: number): void {
  target.writeUInt16LE(length, at);
  target.writeUInt16LE(length, at + 2);
  target.writeUInt32LE(offset, at + 4);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function hmacMd5(key: Buffer, data: Buffer): Buffer {
  return createHmac('md5', key).update(data).digest();
}
