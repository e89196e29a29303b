import type { PeerId } from '@pulsemesh/wire';
import { isPlainText } from '../fields.ts';
import { authorityLimits } from './limits.ts';

/** The URI by which an agent's certificate names its peer id. */
export function peerUri(peer: PeerId): string {
  return `pulsemesh:peer:${peer}`;
}

/** True for a name of an organisation that a certificate may hold. */
export function isOrganisation(value: unknown): value is string {
  return typeof value === 'string' && isPlainText(value, authorityLimits.organisationCharactersMax);
}

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const dnsName = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`);

/** True for a DNS name in lower case, without a wildcard. */
export function isDnsName(text: string): boolean {
  return dnsName.test(text) && !/^[\d.]+$/.test(text);
}

/** True for an IPv4 address in its usual form. */
export function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}
