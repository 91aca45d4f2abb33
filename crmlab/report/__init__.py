"""Run the chapters' notebooks and write what they show: page, workbook, executed notebook."""

from crmlab.report.chapters import Chapter, all_chapters, choose
from crmlab.report.execute import Failure
from crmlab.report.leave_out import LeftOut
from crmlab.report.runner import ChapterReport, run

__all__ = ["Chapter", "ChapterReport", "Failure", "LeftOut", "all_chapters", "choose", "run"]
