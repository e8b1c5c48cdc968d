/** What was found on a broker that was looked at. */
export interface Finding {
  /** `trouble` keeps the application from working as it should; `notice` a person should know of. */
  readonly level: 'fine' | 'notice' | 'trouble';
  /** What was looked at, by the broker's own words. */
  readonly about: string;
  /** What was found, and what to do where something is to be done. */
  readonly message: string;
}

export interface ExaminationOptions {
  /** URL of the broker's own HTTP interface, user and password included, where it has one that tells more. */
  readonly management?: string;
}
