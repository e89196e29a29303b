import { join } from 'node:path';
import { type Identity, type IdentityOptions, identityFileNames, openKeyStore } from '@pulsemesh/identity';
import type { NodeConfig, NodeSecrets } from '../config/node-config.ts';
import { openFreshIdentity } from './fresh-identity.ts';
import type { NodeDependencies } from './node-context.ts';

/**
 * The identity that lies in the data directory, made at the first start; its sealing key is replaced when it is due, so that it is
 * called once a day too. @throws as `loadOrCreateIdentity`.
 */
export function loadNodeIdentity(
  config: IdentitySettings,
  secrets: NodeSecrets,
  deps: Pick<NodeDependencies, 'clock' | 'random'>,
): Promise<Identity> {
  return openFreshIdentity(identityOptionsOf(config, secrets, deps), deps);
}

/** What of a configuration says where the identity is and under what. */
type IdentitySettings = Pick<NodeConfig, 'dataDirectory' | 'keyFile' | 'keystore'>;

function identityOptionsOf(
  { dataDirectory, keyFile, keystore }: IdentitySettings,
  secrets: NodeSecrets,
  deps: Pick<NodeDependencies, 'random'>,
): IdentityOptions {
  const at = (name: string) => join(dataDirectory, name);
  const file = at(identityFileNames.identity);
  const passphrase = secrets.passphrase?.reveal();
  if (passphrase !== undefined) return { file, passphrase };
  if (keystore === undefined) return { file, keyFile: keyFile ?? at(identityFileNames.keyFile) };
  const folder = at(identityFileNames.keystore);
  return { file, keystore: openKeyStore({ folder, ...(keystore === 'auto' ? {} : { name: keystore }) }, deps) };
}
