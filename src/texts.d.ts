/** Files that the build embeds as text (scripts/texts.mjs). */
declare module '*?text' {
  const text: string;
  export default text;
}
