export type { BoardOfParty, Gathered, Party, PartyMeans, Post, Step } from './party/party.ts';
