import type { Language } from '../people/index.ts';
import type { MailText } from './texts.ts';

/** What a researcher is told: a yes, another price asked for, a key that came, a withdrawal, money that came back. */
export const researcherNoticeKinds = ['offered', 'countered', 'released', 'withdrawn', 'refunded'] as const;
export type ResearcherNoticeKind = (typeof researcherNoticeKinds)[number];

type Words = Readonly<
  Record<Language, Readonly<Record<ResearcherNoticeKind, readonly [notice: string, step: string]>>>
>;

/** One sentence about what happened, one about what can be done. No title of a study, no amount, no patient, no measurement. */
const words: Words = {
  en: {
    offered: [
      'Somebody has agreed to one of your requests.',
      'The page shows what was agreed and until when it can be taken up.',
    ],
    countered: [
      'Somebody answers one of your requests with another compensation.',
      'If you agree, ask again with that compensation.',
    ],
    released: [
      'A key has been released to you: what was agreed can be read.',
      'Read only what you need: every read is logged and shown to whom it concerns.',
    ],
    withdrawn: [
      'Somebody has withdrawn a consent: nothing more is handed out under it.',
      'Look up what your study’s rules ask of you for what was read before.',
    ],
    refunded: ['What was paid for a consent has come back.', 'The page shows which one; you may ask again.'],
  },
  de: {
    offered: [
      'Jemand hat einer Ihrer Anfragen zugestimmt.',
      'Die Seite zeigt, was vereinbart ist und bis wann es angenommen werden kann.',
    ],
    countered: [
      'Jemand antwortet auf eine Ihrer Anfragen mit einer anderen Vergütung.',
      'Wenn Sie einverstanden sind, fragen Sie mit dieser Vergütung erneut.',
    ],
    released: [
      'Ein Schlüssel ist für Sie freigegeben: Was vereinbart ist, kann gelesen werden.',
      'Lesen Sie nur, was Sie brauchen: Jeder Zugriff wird aufgezeichnet und den Betroffenen gezeigt.',
    ],
    withdrawn: [
      'Jemand hat eine Einwilligung widerrufen: Es wird nichts mehr herausgegeben.',
      'Sehen Sie nach, was die Regeln Ihrer Studie für das vorher Gelesene verlangen.',
    ],
    refunded: [
      'Was für eine Einwilligung gezahlt wurde, ist zurückgekommen.',
      'Die Seite zeigt, für welche; Sie können erneut fragen.',
    ],
  },
  fr: {
    offered: [
      'Quelqu’un a accepté l’une de vos demandes.',
      'La page montre ce qui a été convenu et jusqu’à quand vous pouvez y donner suite.',
    ],
    countered: [
      'Quelqu’un répond à l’une de vos demandes en proposant une autre compensation.',
      'Si elle vous convient, renouvelez la demande avec cette compensation.',
    ],
    released: [
      'Une clé vous a été remise : ce qui a été convenu peut être lu.',
      'Ne lisez que le nécessaire : chaque lecture est consignée et montrée aux personnes concernées.',
    ],
    withdrawn: [
      'Quelqu’un a retiré son consentement : plus rien n’est transmis.',
      'Vérifiez ce que les règles de votre étude exigent pour ce qui a été lu auparavant.',
    ],
    refunded: [
      'Ce qui a été payé pour un consentement vous a été rendu.',
      'La page montre lequel ; vous pouvez renouveler la demande.',
    ],
  },
};

/** What is the same in every mail to a researcher. */
const frames: Readonly<Record<Language, Omit<MailText, 'notice' | 'steps'>>> = {
  en: {
    subject: 'Pulsemesh: there is news about your requests',
    greeting: (name) => `Dear ${name},`,
    link: 'See it on your page:',
    whatToDo: 'What you can do',
    disclaimer: 'Taking part is voluntary for everybody you ask, and each may withdraw at any time.',
    privacy: 'This mail names no study and nobody who takes part on purpose: mail is not private.',
  },
  de: {
    subject: 'Pulsemesh: Es gibt Neues zu Ihren Anfragen',
    greeting: (name) => `Guten Tag ${name},`,
    link: 'Auf Ihrer Seite:',
    whatToDo: 'Was Sie tun können',
    disclaimer: 'Die Teilnahme ist für alle Gefragten freiwillig, und alle können jederzeit widerrufen.',
    privacy: 'Diese E-Mail nennt absichtlich keine Studie und niemanden, der teilnimmt: E-Mail ist nicht vertraulich.',
  },
  fr: {
    subject: 'Pulsemesh : du nouveau sur vos demandes',
    greeting: (name) => `Bonjour ${name},`,
    link: 'Sur votre page :',
    whatToDo: 'Ce que vous pouvez faire',
    disclaimer: 'La participation est volontaire pour chacun, et chacun peut se retirer à tout moment.',
    privacy:
      'Ce message ne nomme volontairement aucune étude ni aucun participant : le courrier électronique n’est pas confidentiel.',
  },
};

/** The words of a mail to a researcher. */
export function researcherText(language: Language, kind: ResearcherNoticeKind): MailText {
  const [notice, step] = words[language][kind];
  return { ...frames[language], notice, steps: [step] };
}
