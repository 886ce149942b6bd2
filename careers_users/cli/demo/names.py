"""The parts of believable users: names, professions, places, interests."""

FIRST_NAMES = (
    "Ada Adam Agnes Ahmed Aisha Alan Alba Alice Amara Amir Ana Andre Anita Anja Anna "
    "Anton Arjun Arthur Astrid Aya Beatriz Ben Bianca Björn Boris Camille Carla "
    "Carlos Celia Chen Chiara Chloé Clara Claudia Connor Dalia Daniel Daria David "
    "Deniz Diana Diego Dmitri Elena Elias Elif Emil Emma Eric Esther Eva Fatima Felix "
    "Fiona Frida Gabriel George Giulia Grace Greta Hana Hannah Hassan Helen Hugo "
    "Ibrahim Ida Ines Ingrid Irene Isaac Ivan Jana Jasper Javier Jelena Jin João "
    "Jonas José Julia June Kai Karim Katja Kofi Laila Lara Lars Laura Layla Leo Lina "
    "Linh Lucas Lucía Luis Magda Malik Marco Maria Marie Marta Matteo Maya Mei Mia "
    "Miguel Mila Milan Mina Mohamed Nadia Naomi Nia Nico Nina Noah Nora Olga Oliver "
    "Omar Oscar Pablo Pascal Paula Petra Philip Priya Quinn Rafael Ravi René Rita "
    "Robin Rosa Ruth Sami Samuel Sara Selma Sofia Sören Stella Sven Tara Theo Tomás "
    "Uma Valeria Vera Victor Viola Walter Wanda William Xenia Yara Yasmin Yuki Yusuf "
    "Zara Zoë Zofia"
).split()
LAST_NAMES = (
    "Abbott Adeyemi Ahlberg Ali Allen Almeida Andersen Archer Bailey Baker Barros "
    "Bauer Becker Bell Bennett Berg Bianchi Blanc Bondar Bose Braun Brown Burke "
    "Campos Carter Castro Chandra Chen Clarke Cohen Conti Cooper Costa Cruz Dahl Das "
    "Davies Delgado Diaz Dogan Dubois Duval Eklund Ellis Engel Evans Faber Farah "
    "Fernández Ferrari Fischer Flores Fontaine Foster Fox García Gill Girard Gomes "
    "González Gray Greco Green Gupta Haas Hall Hansen Harris Hassan Hayes Hoffmann "
    "Holm Horvat Hughes Hunt Ibáñez Ito Ivanov Jansen Jensen Johansson Jones Kaiser "
    "Kapoor Kaya Keller Khan Kim King Klein Kovač Kowalski Kumar Lang Larsen Lee "
    "Lehmann Lima Lindgren Lopes López Lund Maier Marin Martin Mbeki Medina Mehta "
    "Mendes Meyer Molina Moore Moreau Müller Murphy Nagy Navarro Ndiaye Nguyen "
    "Nielsen Novák Nowak Okafor Olsen Ortiz Osman Owen Papadopoulos Park Patel "
    "Pereira Petrov Pham Popov Quist Ramos Rao Reyes Ricci Rivera Rossi Roth Ruiz "
    "Russo Sala Santos Sato Schmidt Schulz Serrano Shah Silva Simon Singh Smith Sousa "
    "Stein Stone Suzuki Tanaka Taylor Torres Tran Turner Usman Vargas Vega Virtanen "
    "Wagner Walker Wang Weber White Wolf Wright Yamamoto Yilmaz Young Zhang"
).split()
TITLES = (
    "Software developer;Software engineer;Software tester;Teacher;Nurse;Carpenter;"
    "Data analyst;Designer;Product manager;Electrician;Accountant;Architect;Translator;"
    "Mechanical engineer;Chef;Librarian;Physiotherapist;Project lead;Recruiter;Writer;"
    "System administrator;Lawyer;Photographer;Research assistant;Sales manager"
).split(";")
CITIES = (
    "Accra Athens Barcelona Bergen Bogotá Bremen Chennai Dakar Dublin Gdańsk Ghent "
    "Glasgow Hanoi Helsinki Istanbul Kraków Leeds Lima Lisbon Lyon Málaga Malmö "
    "Montreal Nairobi Osaka Oslo Porto Prague Quito Riga Seoul Seville Tbilisi Turin "
    "Vienna Zürich"
).split()
INTERESTS = (
    "hiking;chess;jazz;cycling;gardening;pottery;old maps;open source;bread;sailing;"
    "volleyball;board games;choir;climbing;astronomy;crosswords;running;street food;"
    "film cameras;languages;woodwork;swimming;poetry;trains;volunteering;radio plays"
).split(";")
SENTENCES = (
    "{title} in {city}.",
    "{title}, based in {city} since {year}.",
    "I work as a {lower} and care about {interest}.",
    "{title} with a weakness for {interest} and {other}.",
    "Looking for my next role as a {lower} in {city}.",
    "{title}. Born in {city}, at home anywhere; {interest}, {other} and coffee.",
    "Ten years a {lower}, always learning. Ask me about {interest}.",
)
