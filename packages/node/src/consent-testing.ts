export { ConsentWorld, page } from './consent/consent-world.testing.ts';
export { createSoftwarePasskey } from './consent/software-passkey.ts';
export { answerDraft } from './consent/software-patient.ts';
