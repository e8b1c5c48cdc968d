import type { Finding } from '@nest-messaging/core/contract';

export const found = (level: Finding['level'], about: string, message: string): Finding => ({
  level,
  about,
  message,
});
