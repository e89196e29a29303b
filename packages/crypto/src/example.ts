import assert from 'node:assert/strict';
import { createSystemRandom } from '@pulsemesh/base';
import { createKeyTree, generateSeed, SealBrokenError } from '@pulsemesh/crypto';

const random = createSystemRandom();
const tree = createKeyTree(generateSeed(random)); // one seed, one patient
const place = { kind: 1, bucketSeconds: 1_700_000_000, id: tree.recordId(1, 's42'), revision: 0 };
const sealed = tree.seal(place, new TextEncoder().encode('72 bpm'), random);

assert.equal(new TextDecoder().decode(tree.open(place, sealed)), '72 bpm');
assert.throws(() => tree.open({ ...place, revision: 1 }, sealed), SealBrokenError);
