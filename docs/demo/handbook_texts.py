"""The texts of the handbook's DOCX and PDF files, in the markup that `make_handbook.py` explains."""

VOLUNTEERS_DOCX = """
# Volunteering at Larkfield

About sixty volunteers keep the makerspace running. They welcome visitors, lend tools, mend machines
and help at workshops. This guide sets out what we ask of volunteers and what they can expect from
us. The volunteer coordinator is the person to talk to: volunteers@larkfield.example.org.

## Who can volunteer

Volunteers must be at least 16 years old. You do not have to be a member. We ask for two references,
one of which may come from a teacher or a neighbour. Volunteers who work with young people also need
a background check, which we pay for and which is renewed every three years.

## What you can do

- Hosts greet people, answer questions and show newcomers where things are.
- Menders clean, sharpen and repair, usually on Monday when the building is closed.
- Helpers stand beside the tutor at workshops and give a hand to those who are stuck.
- Gardeners look after the dye plants and the benches on the canal side.

## Time and shifts

A normal shift lasts three and a half hours. We ask for at least 6 hours a month, for at least four
months. The rota for a month is published on the 20th of the month before. If you cannot come, tell
the coordinator by 18:00 on the day before your shift, so that somebody else can be found.

## Learning the work

Every new volunteer attends two introduction evenings. The first five shifts are a trial, during
which a more experienced volunteer works beside you. After the trial the coordinator talks with you
about how it went, and either side may decide to stop there without any hard feelings.

## What you get

For every 12 hours of logged work a volunteer receives one free month of Maker membership. The free
months can be saved up, but not sold or passed on. Volunteers are reimbursed for travel up to £7 per
shift; hand in the tickets with the green form. Travel money is paid by the 15th of the following
month. Tea, coffee and fruit are free during a shift.

Once a year, on the second Friday in October, there is a supper to thank all volunteers, to which
each may bring one companion.

## On duty

Wear the green lanyard while you are on duty, and hang it back on its hook afterwards. Sign in and
out in the shift book, because in a fire we need to know who is in the building. Volunteers do not
handle cash and do not give inductions on machines. If a visitor becomes rude or threatening, call
the duty host and step away; you never have to sort it out alone.

Volunteers are covered by the makerspace's liability insurance during their shifts. The insurance
does not cover the journey to and from the building.

## Stopping

You can stop whenever you like. We are grateful for two weeks' notice. Return the lanyard and any
keys, and ask the coordinator for a letter that confirms what you did and how many hours you gave.
"""

STAFF_DOCX = """
# Staff guide: working time, leave and expenses

This guide applies to the eleven paid employees of the makerspace, whether they work full time or
part time. For part-time staff all numbers of days are reduced in proportion. Where the guide is
silent, the employment contract counts. The centre manager answers questions about it.

## Working time

The full working week is 36 hours. Extra hours are not paid but taken as free time within eight
weeks. Office staff may work from home one day a week, on a day agreed with the centre manager.
Nobody is scheduled for more than two Sundays in a month.

## Annual leave

Full-time staff have 27 days of annual leave a year, in addition to public holidays. The leave year
starts on 1 April. Up to 5 days of unused leave can be carried over, and they must be taken by 30
June. Ask for leave at least three weeks ahead; the centre manager replies within five working days.
Staff are given the winter closing on top of their annual leave and need not ask for it.

## Illness and family emergencies

If you are ill, send a text message to the centre manager by 08:45 on the first day. A doctor's note
is needed from the eighth day of illness. Sick pay is the full wage for six weeks in any twelve
months. Staff may take 5 paid days of compassionate leave after a death in the close family. For a
sudden problem with the care of a child or a parent, 2 paid days a year are available.

## Training

Each employee can spend £350 a year on courses and books. Agree the choice with the centre manager
beforehand. First aid courses are paid for separately and do not count towards the sum.

## Expenses

Staff who travel or buy something for the makerspace get their money back within the limits in this
table.

| Kind of cost | Limit | Remark |
| Lunch while travelling | £9 | only for trips longer than five hours |
| Evening meal while travelling | £24 | without alcohol |
| Hotel, per night | £95 | breakfast included |
| Own car | 38 pence per mile | tolls are paid in addition |
| Own bicycle | 18 pence per mile | from the first mile |
| Train | standard class | book ahead where possible |

Expense claims must be handed in within 45 days of the purchase. A receipt is required for every
amount over £5. Anything that costs more than £120 needs the written approval of the centre manager
before it is bought. Claims are checked by the finance officer and paid together with the wages on
the 25th of the month. A claim that arrives after the 16th waits for the next month.

## Equipment

Staff may borrow a laptop for the length of their employment. It belongs to the makerspace and is
returned on the last working day. Work clothes and safety shoes are replaced every two years, or
sooner when they are worn out.

## Leaving

The notice period is six weeks on both sides, and two weeks during the first three months. Leave that
has not been taken is paid out with the last wage.
"""

SAFETY_PDF = """
# Safety rules

These rules apply to everybody in the building: members, guests, tutors, volunteers and staff. They
are kept short so that they can be remembered. The safety lead is responsible for them and can be
reached at safety@larkfield.example.org. If you see something dangerous, say so at once; no one will
be blamed for stopping a machine too early.

## Inductions

Every machine with a red tag may be used only after an induction. An induction takes two hours, costs
£12 and is held in groups of at most three. At the end you make a small test piece under the eyes of
the instructor. An induction lapses when the machine has not been used for 18 months, and a refresher
of thirty minutes, which is free, brings it back.

Machines with a yellow tag need no induction, but you must read the card on the machine first. Tools
with a green tag may be used by anyone who feels confident with them.

Members may not teach each other on red-tag machines. Inductions are given by staff instructors only.

## Clothing and protection

- Safety glasses are worn in the wood shop and the metal bay at all times, also by those who watch.
- Shoes must be closed; sandals are not allowed beyond the yellow line.
- Long hair is tied back, and scarves, ties and loose sleeves are kept away from machines.
- Gloves are never worn at machines that rotate, such as drills and lathes.
- Ear protection hangs beside every loud machine and is cleaned weekly.

Dust masks are available free of charge in the wood shop. Sanding is done only at the benches with
extraction.

## Not alone, not tired, not drunk

Nobody uses a red-tag machine alone: a second adult must be within calling distance. Nobody uses any
machine within 8 hours of drinking alcohol. The same goes for medicine that makes you drowsy. If you
are too tired to explain what you are about to do, it is time to go home.

## Young people

Junior members may not use the table saw, the metal lathe or the welders, even with an adult beside
them. They may use the band saw from the age of 15, after an induction.

## Laser cutter

The laser cutter must never run unattended. Stay within reach of the red stop button until the job is
finished, and wait two minutes before you open the lid. PVC, polycarbonate and ABS must not be cut in
the laser cutter, because they give off poisonous fumes or catch fire. If you cannot say what a
material is, it does not go in. A small flame is put out with the damp cloth beside the machine; for
a larger one use the carbon dioxide extinguisher on the wall.

## Hot work

Welding, brazing and grinding that makes sparks need a hot work permit, which the duty host fills in
with you. Hot work must end 60 minutes before closing time, so that the spot can be watched
afterwards. Curtains are drawn around the welding bench before the first arc.

## Chemicals and batteries

You may bring at most 1 litre of solvent into the building. Solvents, oils and resins are stored in
the yellow cabinet, in labelled containers. Oily rags go into the metal bin with the lid, never into
the waste paper.

Lithium batteries are charged only in the steel cabinet at the electronics bench and never overnight.
A battery that is swollen, dented or hot is put into the sand bucket outside the back door, and the
duty host is told.

## First aid and accidents

There are four first aid boxes: in the wood shop, in the metal bay, in the textile room and behind
the front desk. The defibrillator hangs beside the café door. At least one trained first aider is in
the building during opening hours; the name is on the board at the front desk.

Every accident, however small, is written into the accident book before you leave the building. Near
misses are written down too, because they show us what to change. The safety lead reads the book each
week and publishes a summary, without names, every three months.

## Fire

The fire alarm is tested every Tuesday at 10:15 and then rings for less than ten seconds. If it rings
at any other time or for longer, leave at once by the nearest exit. Do not use the lift. The assembly
point is the willow tree on Larkfield Green. Stay there until the duty host has counted everyone and
says that you may go back.

People who cannot use the stairs wait at the refuge point on each landing, where an intercom connects
them with the front desk. Fire drills are held twice a year without warning. Exits and the corridors
leading to them are kept clear, and anything left there is removed without asking.

## Electrical equipment from home

Any electrical device that you bring from home must be checked by the electronics team before it is
plugged in. The check is free and takes a few minutes. The sticker that you receive is valid for one
year. Extension cables are not joined to one another.

## When rules are broken

For a first breach the safety lead gives a spoken warning. After a second breach within a year the
member loses access to the workshops for 30 days. A breach that puts others in danger can end the
membership straight away. Anyone who removes a guard from a machine is asked to leave the building
on the same day.
"""

COMPLAINTS_PDF = """
# Complaints and data protection

## Part one: complaints

We make mistakes, and we would rather hear about them than not. A complaint never has a bad effect on
your membership, on a booking or on the way you are treated. Anybody may complain: members, visitors,
neighbours and suppliers.

## First step: talk to us

Most things can be put right on the spot. Tell the duty host what happened and what you would like us
to do. The host writes a line about it in the day book, so that we can see if the same thing happens
again.

## Second step: write to us

If talking does not help, send a complaint to complaints@larkfield.example.org or put a letter in the
grey box at the entrance. A written complaint should reach us within 60 days of the event. You receive
a confirmation within 3 working days and a full answer within 15 working days. The answer is written
by the centre manager or, if the complaint is about the centre manager, by the chair of the trustees.

If we need more time, for example because a witness is away, we tell you why and name a new date.

## Third step: appeal

If you are not content with the answer, you can appeal to the trustees within 20 working days. A panel
of three trustees, none of whom was involved before, hears both sides. You may bring a friend to the
hearing. The decision of the panel is sent to you within 30 working days and is final.

Complaints without a name are read and recorded, but we cannot reply to them. Once a year the trustees
publish the number of complaints and what was changed because of them.

## Part two: data protection

The data officer watches over the personal data that we hold and answers to the trustees. Write to
privacy@larkfield.example.org.

## What we hold and for how long

- The membership record, with name, address and date of birth, is deleted two years after the
  membership ends.
- The log of key fobs, which shows who opened which door, is deleted after 90 days.
- Camera recordings are deleted after 21 days, unless the police have asked for them.
- The accident book is kept for four years.
- Letters and emails about a complaint are kept for three years after the answer.

We do not store bank card numbers; these stay with the payment company.

## Cameras

There are cameras at the main entrance, at the tool hatch and above the bicycle rack. There are no
cameras in the workshops, the toilets or the café. Only the data officer and the centre manager can
look at recordings, and each viewing is noted in a log.

## Newsletter and pictures

The newsletter goes only to people who have asked for it, and every issue has a link to stop it.
Pictures in which a person can be recognised are published only with that person's written consent.
Consent can be withdrawn at any time, and we then take the picture down within five working days.

## Your rights

You can ask for a copy of everything we hold about you. The copy is free, and you receive it within
one month. You can also have wrong data corrected and, where no law obliges us to keep it, have data
erased. We will ask you to show an identity card first, so that nobody else gets your data.

## Sharing and mishaps

We never sell personal data. We pass it on only to the payment company, to the insurer after an
accident, and to public authorities when the law requires it. If personal data are lost or stolen, we
inform the people concerned within 72 hours and tell them what they can do.
"""
