"""The gate: its checks in their order, what they look at, and what they answer."""

from services.campaign.domain.gate.gate import CHECKS as CHECKS
from services.campaign.domain.gate.gate import gate as gate
from services.campaign.domain.gate.situation import LOOK_AGAIN as LOOK_AGAIN
from services.campaign.domain.gate.situation import PROFILE_PATIENCE as PROFILE_PATIENCE
from services.campaign.domain.gate.situation import STOPPED_LOOK_AGAIN as STOPPED_LOOK_AGAIN
from services.campaign.domain.gate.situation import Candidate as Candidate
from services.campaign.domain.gate.situation import Handed as Handed
from services.campaign.domain.gate.situation import SendStop as SendStop
from services.campaign.domain.gate.situation import Situation as Situation
from services.campaign.domain.gate.situation import answerable_from as answerable_from
from services.campaign.domain.gate.verdicts import Allowed as Allowed
from services.campaign.domain.gate.verdicts import Held as Held
from services.campaign.domain.gate.verdicts import Refused as Refused
