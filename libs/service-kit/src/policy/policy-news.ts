import type { FreshnessNews } from './freshness.js';

/** A bundle that was not taken, and why. */
export interface BundleRefusal {
  readonly kind: 'refused';
  /** Older than the last accepted one; or badly signed, with a grant that no operator signed, or leaving out what was accepted. */
  readonly because: 'older' | 'does-not-hold';
}

/** What is to be recorded of bundles. */
export type PolicyNews = BundleRefusal | FreshnessNews;

/** `bundleVersion` decides then; 0: none. */
export type NewsListener = (news: PolicyNews, bundleVersion: number) => void;

export interface News {
  readonly tell: (news: PolicyNews) => void;
  readonly onNews: (listener: NewsListener) => void;
}

export interface RefusalNews {
  readonly tell: (because: BundleRefusal['because']) => void;
  readonly end: () => void;
}

/** Keeps what is to be told until somebody listens: the journal is opened after the policy. */
export function makeNews(bundleVersion: () => number): News {
  const untold: [PolicyNews, number][] = [];
  let listener: NewsListener | undefined;
  return {
    tell(news) {
      if (listener === undefined) untold.push([news, bundleVersion()]);
      else listener(news, bundleVersion());
    },
    onNews(next) {
      listener = next;
      for (const [news, version] of untold.splice(0)) next(news, version);
    },
  };
}

/** Whoever owns the broker can show bad bundles as fast as it likes: one piece of news for all of them, until one is accepted. */
export function makeRefusalNews(tell: (news: PolicyNews) => void): RefusalNews {
  let refusing = false;
  return {
    tell(because) {
      if (!refusing) tell({ kind: 'refused', because });
      refusing = true;
    },
    end: () => void (refusing = false),
  };
}
