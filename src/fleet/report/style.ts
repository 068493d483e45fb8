/** How a report looks: on a phone one column, on a desktop as many as fit, on paper light and without the tables behind plots. */
import { COLOUR_VARIABLES } from "./colours.ts";

export const STYLE = `${COLOUR_VARIABLES}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 82rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { margin: 0; font-size: 1.8rem; line-height: 1.2 }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem }
h3 { margin: 0; font-size: 1rem }
header p, figcaption p, dd span { margin: .25rem 0 0; color: var(--quiet) }
.warning { border-left: .3rem solid var(--series-2); padding-left: .75rem; color: var(--ink) }
.headline { display: grid; grid-template-columns: repeat(2, 1fr); gap: .75rem; margin: 1.5rem 0 0 }
@media (min-width: 48rem) { .headline { grid-template-columns: repeat(4, 1fr) } }
.headline div { padding: .75rem 1rem; border-radius: .5rem; background: var(--card) }
dt { color: var(--quiet); font-size: .875rem }
dd { margin: 0 }
dd strong { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums }
dd span { display: block; font-size: .875rem; line-height: 1.35 }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 23rem), 1fr)); gap: .75rem }
figure { margin: 0; padding: 1rem; border-radius: .5rem; background: var(--card); min-width: 0; break-inside: avoid }
figcaption p { font-size: .875rem; line-height: 1.4 }
.plot svg { display: block; width: 100%; height: auto; margin: .75rem 0 .5rem }
summary { cursor: pointer; color: var(--quiet); font-size: .875rem }
.scroll { overflow-x: auto; max-height: 30rem }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--faint); text-align: right; white-space: nowrap; vertical-align: top }
th { font-weight: 600 }
thead th { color: var(--quiet) }
th:first-child { text-align: left }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere }
@media print {
  body { max-width: none; padding: 0; font-size: .8rem }
  .figures { grid-template-columns: 1fr 1fr }
  .scroll { overflow: visible; max-height: none }
  th, td { padding-right: .5rem }
  details { display: none }
}
`;
