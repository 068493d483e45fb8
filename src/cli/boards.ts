/** `hedge boards`: the boards that a model can be held against. */
import type { Command } from "commander";
import { globalOptions, printResult } from "./output.ts";

export function register(program: Command): void {
  program
    .command("boards")
    .summary("list the boards that analyze and compile know")
    .description("Lists the boards, with what is left of their RAM and flash beside the firmware.")
    .action(async (_options: unknown, command: Command) => {
      const { budgetOf, knownBoards } = await import("../boards/boards.ts");
      const boards = knownBoards().map((board) => ({ ...board, budget: budgetOf(board) }));
      const kib = (bytes: number): string => `${Math.floor(bytes / 1024)} KiB`.padStart(8);
      printResult(globalOptions(command), boards, () =>
        boards
          .map(
            ({ name, title, budget }) =>
              `${name.padEnd(18)} RAM ${kib(budget.ram)}  flash ${kib(budget.flash)}  ${title}`,
          )
          .join("\n"),
      );
    });
}
