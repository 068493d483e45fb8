/** Colours, dashes and letters of plots and pages. Colours are CSS variables: one picture serves light and dark. */

/** Colours that differ also for people who see red and green alike; lines differ by their dashes, too. */
export const COLOURS = Array.from({ length: 8 }, (_, i) => `var(--series-${i + 1})`);
export const DASHES = [
  [1, 0],
  [6, 3],
  [2, 2],
  [8, 3, 2, 3],
  [12, 4],
  [4, 4],
  [1, 3],
  [10, 2, 2, 2, 2, 2],
];
export const INK = "var(--ink)";
export const FAINT = "var(--faint)";
export const FONT = "system-ui, sans-serif";

/** CSS that gives the variables their values, by what the reader's system prefers; paper is always light. */
export const COLOUR_VARIABLES = `
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --faint: #d5d9de; --quiet: #57606a; --card: #f6f7f9;
  --series-1: #0067a8; --series-2: #c8500a; --series-3: #00815c; --series-4: #a8508a;
  --series-5: #7a6400; --series-6: #4f8fc0; --series-7: #8a3b12; --series-8: #5c5c5c }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --ink: #e8eaed; --faint: #3a4048; --quiet: #a2abb5; --card: #1d2127;
    --series-1: #5ab4f0; --series-2: #ff9a52; --series-3: #3ccf9e; --series-4: #e39bc8;
    --series-5: #e0cb5c; --series-6: #9fd0f5; --series-7: #e3a07f; --series-8: #b4b4b4 }
}`;
