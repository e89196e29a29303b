import { createType1Message, createType3Message, parseType2Message } from '@node-ntlm/core';
import { ProxyAuthError } from './errors.ts';
import type { HttpHead } from './http-head.ts';
import type { Credentials } from './proxy-server.ts';

/** The ways of proving oneself to a proxy that are spoken here, strongest first. */
export type AuthScheme = 'ntlm' | 'basic';

// [MS-NLMP] §2.2.2.5: without both, only version 1 of the answer is possible.
const extendedSecurity = 0x80000;
const targetInformation = 0x800000;

/** The schemes a 407 offers, by name as sent, in order. */
export function offeredSchemes(head: HttpHead): readonly string[] {
  // A challenge begins with a token that is followed by a blank or nothing; parameters have an equals sign.
  const challenges = head.values('proxy-authenticate').flatMap((value) => value.split(/,\s*/));
  const names = challenges.flatMap((challenge) => /^([A-Za-z][A-Za-z0-9-]*)(?:\s|$)/.exec(challenge)?.[1] ?? []);
  return [...new Set(names)].slice(0, 8);
}

/** The strongest offered scheme that is spoken here, or null. */
export function chooseScheme(offered: readonly string[]): AuthScheme | null {
  const names = offered.map((name) => name.toLowerCase());
  if (names.includes('ntlm')) return 'ntlm';
  return names.includes('basic') ? 'basic' : null;
}

/** The value of Proxy-Authorization for Basic (RFC 7617, UTF-8). */
export function basicAuthorization(credentials: Credentials): string {
  const user = credentials.domain === '' ? credentials.username : `${credentials.domain}\\${credentials.username}`;
  return `Basic ${Buffer.from(`${user}:${credentials.revealPassword()}`, 'utf8').toString('base64')}`;
}

/** The first message of NTLM. It names nobody: the domain goes only into the answer. */
export function ntlmNegotiate(): string {
  return createType1Message({ domain: '', workstation: '' });
}

/**
 * The answer to a proxy's NTLM challenge: version 2, as long as version 1 is not explicitly allowed.
 * @throws {ProxyAuthError} when there is no usable challenge or it leaves only version 1.
 */
export function ntlmAnswer(head: HttpHead, credentials: Credentials, allowsVersion1: boolean, proxy: string): string {
  const challenge = head.values('proxy-authenticate').find((value) => /^NTLM\s+\S/i.test(value));
  if (challenge === undefined) throw new ProxyAuthError(proxy, 'refused', offeredSchemes(head));
  const parsed = parseChallenge(challenge, proxy);
  const isVersion2 =
    (parsed.negotiateFlags & extendedSecurity) !== 0 &&
    (parsed.negotiateFlags & targetInformation) !== 0 &&
    parsed.targetInfo !== undefined;
  if (!isVersion2 && !allowsVersion1) throw new ProxyAuthError(proxy, 'weak', ['NTLM']);
  return createType3Message(parsed, {
    domain: credentials.domain,
    username: credentials.username,
    password: credentials.revealPassword(),
    workstation: '',
  });
}

function parseChallenge(challenge: string, proxy: string): ReturnType<typeof parseType2Message> {
  try {
    const parsed = parseType2Message(`NTLM ${challenge.replace(/^NTLM\s+/i, '')}`);
    if (parsed.signature.toString('latin1') === 'NTLMSSP\0' && parsed.serverChallenge.length === 8) return parsed;
  } catch {
    // The library fails in ways of its own on bytes that are no challenge; the condition below is all there is to say.
  }
  throw new ProxyAuthError(proxy, 'unsupported', ['NTLM (a malformed challenge)']);
}
