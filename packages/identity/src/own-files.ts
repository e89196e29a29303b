import type { Random } from '@pulsemesh/base';
import type { PeerId } from '@pulsemesh/wire';
import { type ContactCard, cardLimits } from './card.ts';
import { cardFromText, cardToText } from './card-text.ts';
import { type Device, type DeviceList, deviceLimits, parseDeviceRequest, verifyDeviceList } from './devices.ts';
import { overwriteFile, readSmallFile } from './files.ts';
import { fromTextForm, toTextForm } from './text-form.ts';

/** What the files of an identity are called in its data directory. */
export const identityFileNames = {
  identity: 'identity.json',
  keyFile: 'identity.key',
  /** What a keystore that only seals has kept. */
  keystore: 'keystore',
  /** The own card in force, as text. */
  card: 'contact.card',
  /** The own device list in force. */
  devices: 'devices.list',
  /** The cards of others: see `openCardDirectory`. */
  contacts: 'contacts',
} as const;

const requestPrefix = 'pulsemesh:device:';

/** A card file (its text form), or null when there is none. @throws {StatementRefusedError}; {@link IdentityFileError}. */
export async function readCardFile(file: string): Promise<ContactCard | null> {
  const bytes = await readSmallFile(file, false, 2 * cardLimits.textCharactersMax);
  return bytes === null ? null : cardFromText(new TextDecoder().decode(bytes));
}

/** Writes a card file, whole or not at all. @throws {IdentityFileError} */
export function writeCardFile(
  file: string,
  card: Pick<ContactCard, 'bytes'>,
  dependencies: { readonly random: Random },
): Promise<void> {
  return overwriteFile(file, new TextEncoder().encode(`${cardToText(card)}\n`), dependencies);
}

/** The device list that was kept in a file, or null when there is none. @throws {StatementRefusedError}; {@link IdentityFileError}. */
export async function readDeviceListFile(file: string, person: PeerId): Promise<DeviceList | null> {
  const bytes = await readSmallFile(file, false, deviceLimits.listBytesMax);
  return bytes === null ? null : verifyDeviceList(bytes, { person, known: null });
}

/** Keeps a device list, whole or not at all. @throws {IdentityFileError} */
export function writeDeviceListFile(
  file: string,
  list: DeviceList,
  dependencies: { readonly random: Random },
): Promise<void> {
  return overwriteFile(file, list.bytes, dependencies);
}

/** A device's request as one word of text, to be carried to where the person's key is. */
export function deviceRequestToText(bytes: Uint8Array): string {
  return toTextForm(requestPrefix, bytes);
}

/** @throws {StatementRefusedError} */
export function deviceRequestFromText(text: string): Device {
  return parseDeviceRequest(fromTextForm('device-request', requestPrefix, text, 4 * deviceLimits.requestBytesMax));
}
