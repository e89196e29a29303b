import { sha256 } from '@pulsemesh/crypto';
import { concatBytes, toHex } from '@pulsemesh/wire';
import type { VitalKind } from '../market/messages.ts';
import { canonicalJson, type JsonValue } from './canonical-json.ts';
import {
  child,
  children,
  codeOf,
  type JsonObject,
  optionalText,
  secondsOf,
  textIn,
  vitalsIn,
  wholeNumberIn,
} from './consent-reading.ts';
import { ConsentMalformedError } from './errors.ts';
import type { Hex } from './offer.ts';

/** What a patient agrees to, in words of the program: all that the FHIR Consent says, and nothing that it does not. */
export interface ConsentTerms {
  /** Who asks, as it names itself. */
  readonly organisation: string;
  /** Peer id of who asks: the one recipient. */
  readonly recipient: string;
  readonly title: string;
  /** Plain words: what for, who gains, how long it is kept. */
  readonly explanation: string;
  /** As `research/rhythm`. */
  readonly purpose: string;
  readonly vitals: readonly VitalKind[];
  /** The agreed interval of recording time, seconds since 1970. */
  readonly fromSeconds: number;
  readonly untilSeconds: number;
  /** How long it may be read once it was delivered. */
  readonly accessForSeconds: number;
  /** Peer ids of who holds the sealed records: nodes, not people. */
  readonly custodians: readonly string[];
  /** Whole units, decimal digits. */
  readonly compensation: string;
  readonly token: Hex;
  /** When it was drawn up, seconds since 1970. */
  readonly atSeconds: number;
}

/** Limits of a consent that is read. */
export const consentLimits = {
  charactersMax: 16_384,
  explanationCharactersMax: 4_000,
  textCharactersMax: 200,
  custodiansMax: 5,
} as const;

/** Bytes of the salt that hides a consent behind its offer's `terms`. One length, so that salt and text are never taken for one another. */
export const consentSaltBytes = 32;

/** Of names that are ours: FHIR wants every code and extension in a system. */
export const consentSystems = {
  peer: 'urn:pulsemesh:peer',
  purpose: 'urn:pulsemesh:purpose',
  vital: 'urn:pulsemesh:vital',
  study: 'urn:pulsemesh:consent:study',
  access: 'urn:pulsemesh:consent:access',
  compensation: 'urn:pulsemesh:consent:compensation',
} as const;
const terminology = 'http://terminology.hl7.org/CodeSystem';

/** What FHIR's own code systems say of the two uses there are. */
const uses = {
  research: {
    scope: 'research',
    category: concept(`${terminology}/consentcategorycodes`, 'research'),
    reason: 'HRESCH',
  },
  // "Consent Document": the category codes know none for treatment.
  treatment: { scope: 'treatment', category: concept('http://loinc.org', '59284-0'), reason: 'TREAT' },
} as const;

/**
 * The FHIR R4 Consent of these terms, as canonical JSON (RFC 8785): what the offer's `terms` commit to. It names no patient: who it is
 * about is known to the home alone, and two grants of one patient look unrelated.
 * @throws {ConsentMalformedError} for times that FHIR cannot write: past the year 9999.
 */
export function consentText(terms: ConsentTerms): string {
  const actor = (role: string, peer: string, display?: string) => ({
    role: concept(`${terminology}/v3-ParticipationType`, role),
    reference: { identifier: { system: consentSystems.peer, value: peer }, ...(display && { display }) },
  });
  const use = /^treatment(\/|$)/.test(terms.purpose) ? uses.treatment : uses.research;
  const consent: JsonValue = {
    resourceType: 'Consent',
    status: 'active',
    scope: concept(`${terminology}/consentscope`, use.scope),
    category: [use.category],
    dateTime: instant(terms.atSeconds),
    policyRule: concept(`${terminology}/v3-ActCode`, 'OPTIN'),
    extension: [
      {
        url: consentSystems.study,
        extension: [
          { url: 'title', valueString: terms.title },
          // FHIR has no empty strings.
          ...(terms.explanation === '' ? [] : [{ url: 'explanation', valueString: terms.explanation }]),
        ],
      },
      { url: consentSystems.access, valueDuration: seconds(terms.accessForSeconds) },
      {
        url: consentSystems.compensation,
        extension: [
          { url: 'units', valueString: terms.compensation },
          { url: 'token', valueString: terms.token },
        ],
      },
    ],
    provision: {
      type: 'permit',
      actor: [
        actor('IRCP', terms.recipient, terms.organisation),
        ...terms.custodians.map((peer) => actor('CST', peer)),
      ],
      action: [concept(`${terminology}/consentaction`, 'access')],
      purpose: [
        { system: `${terminology}/v3-ActReason`, code: use.reason },
        { system: consentSystems.purpose, code: terms.purpose },
      ],
      code: terms.vitals.map((vital) => concept(consentSystems.vital, vital)),
      dataPeriod: { start: instant(terms.fromSeconds), end: instant(terms.untilSeconds) },
    },
  };
  return canonicalJson(consent);
}

/**
 * Reads a FHIR R4 Consent, ours or one from elsewhere that says the same things in the same codes; what it says beyond them is passed over.
 * @throws {ConsentMalformedError}
 */
export function readConsent(text: string): ConsentTerms {
  if (text.length > consentLimits.charactersMax) throw new ConsentMalformedError('length');
  const consent = parseJson(text);
  if (consent['resourceType'] !== 'Consent') throw new ConsentMalformedError('resourceType');
  if (consent['status'] !== 'active') throw new ConsentMalformedError('status');
  const extensions = children(consent, 'extension', 16);
  const study = byUrl(extensions, consentSystems.study);
  const compensation = byUrl(extensions, consentSystems.compensation);
  const provision = child(consent, 'provision');
  if (provision['type'] !== 'permit') throw new ConsentMalformedError('provision.type');
  const period = child(provision, 'dataPeriod');
  const { recipient, organisation, custodians } = actorsOf(provision);
  const terms: ConsentTerms = {
    organisation,
    recipient,
    custodians,
    title: textIn(byUrl(children(study, 'extension', 8), 'title'), 'valueString', consentLimits.textCharactersMax),
    explanation: explanationIn(children(study, 'extension', 8)),
    purpose: codeOf(children(provision, 'purpose', 8), consentSystems.purpose),
    vitals: vitalsIn(children(provision, 'code', 8), consentSystems.vital),
    fromSeconds: secondsOf(period, 'start'),
    untilSeconds: secondsOf(period, 'end'),
    accessForSeconds: wholeNumberIn(child(byUrl(extensions, consentSystems.access), 'valueDuration'), 'value'),
    compensation: matching(compensation, 'units', /^(0|[1-9][0-9]{0,28})$/),
    token: matching(compensation, 'token', /^0x[0-9a-f]{40}$/) as Hex,
    atSeconds: secondsOf(consent, 'dateTime'),
  };
  if (terms.untilSeconds <= terms.fromSeconds) throw new ConsentMalformedError('dataPeriod');
  return terms;
}

/**
 * Reads a consent that is about to be signed, or was: it has to be, to the last character, what these terms look like, so that whoever is
 * shown the terms is shown all that is signed.
 * @throws {ConsentMalformedError}
 */
export function parseConsent(text: string): ConsentTerms {
  const terms = readConsent(text);
  if (consentText(terms) !== text) throw new ConsentMalformedError('says more than can be shown');
  return terms;
}

/**
 * What an offer's `terms` hold: SHA-256 of salt ‖ consent in UTF-8. Without the salt nobody can try consents until one fits.
 * @throws {ConsentMalformedError} for a salt of another length.
 */
export function termsOf(salt: Uint8Array, consent: string): Hex {
  if (salt.length !== consentSaltBytes) throw new ConsentMalformedError('salt');
  return `0x${toHex(sha256(concatBytes(salt, new TextEncoder().encode(consent))))}`;
}

function actorsOf(provision: JsonObject) {
  const recipients: { readonly peer: string; readonly name: string }[] = [];
  const custodians: string[] = [];
  for (const actor of children(provision, 'actor', 1 + consentLimits.custodiansMax)) {
    const role = codeOf(children(child(actor, 'role'), 'coding', 4), `${terminology}/v3-ParticipationType`);
    const reference = child(actor, 'reference');
    const identifier = child(reference, 'identifier');
    if (identifier['system'] !== consentSystems.peer) throw new ConsentMalformedError('actor');
    const peer = textIn(identifier, 'value', 100);
    if (role === 'IRCP')
      recipients.push({ peer, name: optionalText(reference, 'display', consentLimits.textCharactersMax) });
    else if (role === 'CST') custodians.push(peer);
    else throw new ConsentMalformedError('actor');
  }
  const [recipient] = recipients;
  // Two recipients would let one be shown and the other served.
  if (recipient === undefined || recipients.length > 1) throw new ConsentMalformedError('actor');
  return { recipient: recipient.peer, organisation: recipient.name, custodians };
}

function explanationIn(extensions: readonly JsonObject[]): string {
  const found = extensions.find((extension) => extension['url'] === 'explanation');
  return found === undefined ? '' : textIn(found, 'valueString', consentLimits.explanationCharactersMax);
}

function matching(parent: JsonObject, url: string, pattern: RegExp): string {
  const found = textIn(byUrl(children(parent, 'extension', 8), url), 'valueString', 64);
  if (!pattern.test(found)) throw new ConsentMalformedError(url);
  return found;
}

function byUrl(extensions: readonly JsonObject[], url: string): JsonObject {
  const [found, second] = extensions.filter((extension) => extension['url'] === url);
  if (found === undefined || second !== undefined) throw new ConsentMalformedError(url);
  return found;
}

function parseJson(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  } catch {
    // no JSON: malformed like any other shape
  }
  throw new ConsentMalformedError('JSON');
}

function concept(system: string, code: string) {
  return { coding: [{ system, code }] };
}

function seconds(value: number) {
  return { value, unit: 'seconds', system: 'http://unitsofmeasure.org', code: 's' };
}

/** FHIR's dateTime of whole seconds. */
function instant(atSeconds: number): string {
  if (!(atSeconds >= 0 && atSeconds <= 253_402_300_799)) throw new ConsentMalformedError('time');
  return new Date(atSeconds * 1000).toISOString().replace('.000Z', 'Z');
}
