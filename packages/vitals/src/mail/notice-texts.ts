import type { Language } from '../people/index.ts';
import type { MailText } from './texts.ts';

/** What people are told about consent: a request, a yes, a payment, a read, a read in an emergency, a withdrawal, something that must not be. */
export const noticeKinds = ['asked', 'accepted', 'paid', 'read', 'emergency', 'revoked', 'alarm'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

type NoticeWords = Readonly<Record<Language, Readonly<Record<NoticeKind, readonly [notice: string, step: string]>>>>;

/** One sentence about what happened, one about what can be done. No title of a study, no amount, no name, no measurement. */
const words: NoticeWords = {
  en: {
    asked: [
      'Somebody asks whether they may use a part of your recordings.',
      'Read who asks and for what. You need not answer: nobody learns whether you have read it.',
    ],
    accepted: [
      'You have agreed that a part of your recordings may be used.',
      'If it was not you, open the page now and withdraw it.',
    ],
    paid: [
      'What you have agreed to has come into force.',
      'The page shows what was agreed, and what you have been credited where that was agreed.',
    ],
    read: [
      'Somebody has read recordings that you agreed to share.',
      'The page lists every read and checks its receipt. You hear of further reads under the same consent at most once a day.',
    ],
    emergency: [
      'In an emergency your recordings were opened without asking you first.',
      'The page shows when it was and which reason was given. If there was no emergency, talk to whoever runs your Pulsemesh.',
    ],
    revoked: [
      'Your consent has been withdrawn: nothing more is handed out.',
      'What was read before stays with whoever read it.',
    ],
    alarm: [
      'Somebody tried to read recordings without your consent, or a list of reads does not add up.',
      'Open the page and look at the warning; talk to whoever runs your Pulsemesh.',
    ],
  },
  de: {
    asked: [
      'Jemand fragt, ob ein Teil Ihrer Aufzeichnungen genutzt werden darf.',
      'Lesen Sie, wer fragt und wofür. Sie müssen nicht antworten: Niemand erfährt, ob Sie es gelesen haben.',
    ],
    accepted: [
      'Sie haben zugestimmt, dass ein Teil Ihrer Aufzeichnungen genutzt werden darf.',
      'Falls Sie das nicht waren, öffnen Sie jetzt die Seite und widerrufen Sie.',
    ],
    paid: [
      'Das, dem Sie zugestimmt haben, ist in Kraft getreten.',
      'Die Seite zeigt, was vereinbart ist, und was Ihnen gutgeschrieben wurde, wo das vereinbart war.',
    ],
    read: [
      'Jemand hat Aufzeichnungen gelesen, denen Sie zugestimmt haben.',
      'Die Seite führt jeden Zugriff auf und prüft seine Quittung. Von weiteren Zugriffen derselben Einwilligung hören Sie höchstens einmal am Tag.',
    ],
    emergency: [
      'In einem Notfall wurden Ihre Aufzeichnungen geöffnet, ohne Sie vorher zu fragen.',
      'Die Seite zeigt, wann das war und welcher Grund genannt wurde. Falls es keinen Notfall gab, sprechen Sie mit denen, die Ihr Pulsemesh betreiben.',
    ],
    revoked: [
      'Ihre Einwilligung ist widerrufen: Es wird nichts mehr herausgegeben.',
      'Was vorher gelesen wurde, bleibt bei denen, die es gelesen haben.',
    ],
    alarm: [
      'Jemand wollte Aufzeichnungen ohne Ihre Einwilligung lesen, oder eine Liste der Zugriffe geht nicht auf.',
      'Öffnen Sie die Seite und sehen Sie sich die Warnung an; sprechen Sie mit denen, die Ihr Pulsemesh betreiben.',
    ],
  },
  fr: {
    asked: [
      'Quelqu’un demande s’il peut utiliser une partie de vos enregistrements.',
      'Lisez qui demande et dans quel but. Vous n’avez pas à répondre : personne ne saura si vous l’avez lu.',
    ],
    accepted: [
      'Vous avez accepté qu’une partie de vos enregistrements soit utilisée.',
      'Si ce n’était pas vous, ouvrez la page maintenant et retirez votre accord.',
    ],
    paid: [
      'Ce que vous avez accepté est entré en vigueur.',
      'La page montre ce qui a été convenu, et ce qui vous a été crédité le cas échéant.',
    ],
    read: [
      'Quelqu’un a lu des enregistrements que vous avez accepté de partager.',
      'La page montre chaque lecture et vérifie son reçu. Vous êtes prévenu des lectures suivantes au plus une fois par jour.',
    ],
    emergency: [
      'Dans une urgence, vos enregistrements ont été ouverts sans vous demander d’abord.',
      'La page montre quand, et quelle raison a été donnée. S’il n’y avait pas d’urgence, parlez-en à ceux qui gèrent votre Pulsemesh.',
    ],
    revoked: [
      'Votre consentement est retiré : plus rien n’est transmis.',
      'Ce qui a été lu auparavant reste chez ceux qui l’ont lu.',
    ],
    alarm: [
      'Quelqu’un a tenté de lire des enregistrements sans votre consentement, ou une liste de lectures est incohérente.',
      'Ouvrez la page et regardez l’avertissement ; parlez-en à ceux qui gèrent votre Pulsemesh.',
    ],
  },
};

/** What is the same in every notice. The subject says nothing, since phones show it on locked screens. */
const frames: Readonly<Record<Language, Omit<MailText, 'notice' | 'steps'>>> = {
  en: {
    subject: 'Pulsemesh: there is news about your consent',
    greeting: (name) => `Dear ${name},`,
    link: 'See it on your page:',
    whatToDo: 'What you can do',
    disclaimer: 'Taking part is voluntary, and you can withdraw at any time. Your treatment does not depend on it.',
    privacy: 'This mail names no study and holds no measurements on purpose: mail is not private.',
  },
  de: {
    subject: 'Pulsemesh: Es gibt Neues zu Ihrer Einwilligung',
    greeting: (name) => `Guten Tag ${name},`,
    link: 'Auf Ihrer Seite:',
    whatToDo: 'Was Sie tun können',
    disclaimer:
      'Die Teilnahme ist freiwillig, und Sie können jederzeit widerrufen. Ihre Behandlung hängt nicht davon ab.',
    privacy: 'Diese E-Mail nennt absichtlich keine Studie und keine Messwerte: E-Mail ist nicht vertraulich.',
  },
  fr: {
    subject: 'Pulsemesh : du nouveau sur votre consentement',
    greeting: (name) => `Bonjour ${name},`,
    link: 'Sur votre page :',
    whatToDo: 'Ce que vous pouvez faire',
    disclaimer:
      'La participation est volontaire et vous pouvez vous retirer à tout moment. Vos soins n’en dépendent pas.',
    privacy:
      'Ce message ne nomme volontairement aucune étude et ne contient aucune mesure : le courrier électronique n’est pas confidentiel.',
  },
};

/** The words of a notice. */
export function noticeText(language: Language, kind: NoticeKind): MailText {
  const [notice, step] = words[language][kind];
  return { ...frames[language], notice, steps: [step] };
}
