/** The HTML file of `memgrad report`: its style and script, uPlot, and the data of the runs. */
import plotScript from 'uplot/dist/uPlot.iife.min.js?text';
import plotStyle from 'uplot/dist/uPlot.min.css?text';
import type { ReportedRun } from '../report.js';
import script from './script.js?text';
import style from './style.css?text';

/** What the script of the page reads. */
export interface PageData {
  readonly version: string;
  readonly runs: readonly ReportedRun[];
}

/** Returns the text of the page. It loads nothing, from nowhere. */
export function pageOf(data: PageData): string {
  // Names of folders and samples may hold any characters, also those that end a script.
  const json = JSON.stringify(data).replace(/</g, '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<title>memgrad report</title>
<link rel="icon" href="data:,">
<style>${plotStyle}</style>
<style>
${style}</style>
</head>
<body>
<h1>memgrad report</h1>
<noscript>This page draws its curves with JavaScript, which is turned off here.</noscript>
<main></main>
<script type="application/json" id="data">${json}</script>
<script>${plotScript}</script>
<script>
${script}</script>
</body>
</html>
`;
}
